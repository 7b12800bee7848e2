"""The native layer with the starter model, in a process of its own as in the product."""

import json
import subprocess
import sys

import pytest

SCRIPT = """
import json, sys
from m3studio.engines.llama import bindings
from m3studio.engines.llama.bindings import Weights, native
bindings.start()
parameters = native.llama_model_default_params()
parameters.vocab_only = True
vocab = Weights(sys.argv[1], parameters, lambda share: None).vocab
long = [vocab.piece(token) for token in range(vocab.size) if len(vocab.piece(token)) > 32]
code = "def f():\\n" + " " * 60 + "return '" + "=" * 90 + "'\\n\\t\\tπ ≈ 3.14159 🎉"
whole = b"".join(vocab.piece(int(token)) for token in vocab.tokens(code)).decode()
marker = [int(token) for token in vocab.tokens("<|im_start|>")]
print(json.dumps([len(long), max(map(len, long)), whole == code, marker, vocab.ends(2), vocab.ends(100)]))
"""


@pytest.mark.model
def test_every_piece_of_the_vocabulary_is_whole(starter):
    command = [sys.executable, "-c", SCRIPT, str(starter)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    count, longest, same, marker, ends, word = json.loads(done.stdout)
    assert count == 47 and longest > 64, "the vocabulary has 47 tokens over 32 bytes"
    assert same and marker == [1] and ends and not word
