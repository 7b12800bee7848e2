"""The native library as a few small objects: weights, vocabulary, context, batch. Knows no request and no policy.

The only file that imports llama_cpp, and only in a model's own process. A handle is freed when that process ends.
"""

import ctypes
import importlib
import importlib.util
import sys
import types
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int32]


def _native() -> Any:
    """`llama_cpp.llama_cpp` without its package's `__init__`, which imports the high-level class and its libraries:
    the process starts a third of a second sooner, and the binding's own log callback stays out."""
    if "llama_cpp" not in sys.modules:
        spec = importlib.util.find_spec("llama_cpp")
        if spec is None or spec.submodule_search_locations is None:
            raise ImportError("llama-cpp-python is not installed")
        package = types.ModuleType("llama_cpp")
        package.__path__ = list(spec.submodule_search_locations)
        sys.modules["llama_cpp"] = package
    return importlib.import_module("llama_cpp.llama_cpp")


native = _native()

# Short calls that happen for each token go through PyDLL, which keeps the GIL: giving it up costs more than the call
# when another thread is busy. What may take long (decode, sample, tokenize) goes through the binding's CDLL.
_short = ctypes.PyDLL(native._lib._name)
_is_eog = _short.llama_vocab_is_eog
_is_eog.argtypes, _is_eog.restype = [ctypes.c_void_p, ctypes.c_int32], ctypes.c_bool
_to_piece = _short.llama_token_to_piece
_to_piece.argtypes = [ctypes.c_void_p, ctypes.c_int32, ctypes.c_char_p, ctypes.c_int32, ctypes.c_int32, ctypes.c_bool]
_to_piece.restype = ctypes.c_int32
_strlen = ctypes.CDLL("msvcrt" if sys.platform == "win32" else None).strlen

DECODED, NO_ROOM, ABORTED = 0, 1, 2  # what llama_decode returns; less than 0: it cannot work with this batch


def start(hear: Callable[[str], None] = lambda line: None) -> None:
    """Make the library ready. `hear` gets each line of its log, which goes to stderr too, but for what only its
    developers need: that is thousands of lines for each load."""
    native.llama_log_set(_logger(hear), None)
    native.llama_backend_init()


def _logger(hear: Callable[[str], None]) -> Any:
    def write(level: int, text: bytes | None, _: object) -> None:
        if level == _LOG_DEBUG or not text:
            return
        line = text.decode("utf-8", "replace")
        sys.stderr.write(line)
        hear(line)

    callback = native.llama_log_callback(write)
    _kept.append(callback)
    return callback


_LOG_DEBUG = 1  # ggml_log_level
_kept: list[Any] = []  # the library calls these as long as the process lives


class _Override(ctypes.Structure):
    """llama_model_tensor_buft_override, which the binding leaves out."""

    _fields_ = (("pattern", ctypes.c_char_p), ("buft", ctypes.c_void_p))


def keep_in_ram(parameters: Any, pattern: str) -> None:
    """Keep tensors in RAM whose names match, though their layer is on a GPU."""
    memory = native.load_shared_library("ggml-base", native._base_path).ggml_backend_cpu_buffer_type
    memory.restype = ctypes.c_void_p
    rows = (_Override * 2)(_Override(pattern.encode(), memory()))  # the second row ends the list
    parameters.tensor_buft_overrides = ctypes.addressof(rows)
    parameters.kept = rows  # as long as the parameters live


def split(parameters: Any, layers: Sequence[int]) -> None:
    """So many layers on each GPU."""
    shares = (ctypes.c_float * max(native.llama_max_devices(), len(layers)))(*layers)
    parameters.tensor_split = ctypes.cast(shares, ctypes.POINTER(ctypes.c_float))


class Weights:
    """A loaded model."""

    def __init__(self, path: str, parameters: Any, on_progress: Callable[[float], None]) -> None:
        """Raises `OSError` when the library refuses the file; its log says why."""

        def progress(share: float, _: object) -> bool:
            on_progress(share)
            return True

        parameters.progress_callback = native.llama_progress_callback(progress)
        self.handle = native.llama_model_load_from_file(path.encode(), parameters)
        if not self.handle:
            raise OSError(path)
        self.vocab = Vocab(native.llama_model_get_vocab(self.handle))

    def meta(self, key: str) -> str:
        """The metadata value as text; empty if there is none."""
        size = native.llama_model_meta_val_str(self.handle, key.encode(), None, 0)
        if size < 0:
            return ""
        buffer = ctypes.create_string_buffer(size + 1)
        native.llama_model_meta_val_str(self.handle, key.encode(), buffer, size + 1)
        return buffer.value.decode("utf-8", "replace")

    @property
    def chat_template(self) -> str:
        return (native.llama_model_chat_template(self.handle, None) or b"").decode("utf-8", "replace")

    @property
    def n_ctx_train(self) -> int:
        return int(native.llama_model_n_ctx_train(self.handle))

    @property
    def n_params(self) -> int:
        return int(native.llama_model_n_params(self.handle))

    @property
    def size(self) -> int:
        """Bytes of all tensors."""
        return int(native.llama_model_size(self.handle))

    @property
    def has_state(self) -> bool:
        """Recurrent in part or whole: its memory of a sequence cannot be cut back to an earlier token."""
        return bool(native.llama_model_is_recurrent(self.handle) or native.llama_model_is_hybrid(self.handle))

    @property
    def writes_text(self) -> bool:
        """A decoder that goes from left to right: no encoder-decoder, no diffusion model."""
        encoder, decoder = native.llama_model_has_encoder(self.handle), native.llama_model_has_decoder(self.handle)
        return bool(decoder and not encoder and not native.llama_model_is_diffusion(self.handle))


class Vocab:
    """Text to tokens and back."""

    def __init__(self, handle: Any) -> None:
        self.handle = handle
        self.size = int(native.llama_vocab_n_tokens(handle))
        self._pieces: dict[int, bytes] = {}
        self._buffer = ctypes.create_string_buffer(256)
        self.bos = int(native.llama_vocab_bos(handle))
        self.eos = int(native.llama_vocab_eos(handle))
        self._adds_bos = bool(native.llama_vocab_get_add_bos(handle))

    def tokens(self, text: str, *, begins: bool = True) -> IntArray:
        """`text` as tokens, markers such as `<|im_start|>` as the one token that they are. At the beginning of a prompt
        the beginning token is put in front where the model wants it, unless a rendered template has it already."""
        raw = text.encode("utf-8", "replace")
        found = np.empty(len(raw) + 16, np.int32)
        pointer = found.ctypes.data_as(ctypes.POINTER(native.llama_token))
        count = native.llama_tokenize(self.handle, raw, len(raw), pointer, len(found), False, True)
        if count < 0:  # some vocabularies need more than a token per byte: -count is the size needed
            found = np.empty(-count, np.int32)
            pointer = found.ctypes.data_as(ctypes.POINTER(native.llama_token))
            count = native.llama_tokenize(self.handle, raw, len(raw), pointer, len(found), False, True)
        found = found[:count]
        if begins and self._adds_bos and (not count or found[0] != self.bos):
            found = np.concatenate((np.array([self.bos], np.int32), found))
        return found

    def piece(self, token: int) -> bytes:
        """The token's text of any length; control tokens too, since parsers look for them."""
        piece = self._pieces.get(token)
        if piece is None:
            size = _to_piece(self.handle, token, self._buffer, len(self._buffer), 0, True)
            buffer = self._buffer
            if size < 0:  # longer than the buffer: -size is the size needed
                buffer = ctypes.create_string_buffer(-size)
                size = _to_piece(self.handle, token, buffer, -size, 0, True)
            piece = self._pieces[token] = buffer.raw[:size]
        return piece

    def ends(self, token: int) -> bool:
        """Does the token end an answer?"""
        return bool(_is_eog(self.handle, token))

    def text(self, token: int) -> str:
        """A single token as text; empty for a token that the vocabulary lacks (-1)."""
        return self.piece(token).decode("utf-8", "replace") if token >= 0 else ""


class Batch:
    """The rows of one decode call. Its arrays live as long as it does, so a prompt chunk is a slice assignment."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.rows = 0
        self._token, self._pos, self._seq = (np.zeros(capacity, np.int32) for _ in range(3))
        self._n_seq = np.ones(capacity, np.int32)
        self._logits = np.zeros(capacity, np.int8)
        seq_id = ctypes.POINTER(native.llama_seq_id)
        start = self._seq.ctypes.data
        self._pointers = (seq_id * capacity)(*[ctypes.cast(start + 4 * row, seq_id) for row in range(capacity)])
        self.struct = native.llama_batch()
        self.struct.token = self._token.ctypes.data_as(ctypes.POINTER(native.llama_token))
        self.struct.pos = self._pos.ctypes.data_as(ctypes.POINTER(native.llama_pos))
        self.struct.n_seq_id = self._n_seq.ctypes.data_as(ctypes.POINTER(ctypes.c_int32))
        self.struct.seq_id = ctypes.cast(self._pointers, ctypes.POINTER(seq_id))
        self.struct.logits = self._logits.ctypes.data_as(ctypes.POINTER(ctypes.c_int8))

    def clear(self) -> None:
        self.rows = 0

    def add(self, tokens: IntArray, position: int, seq: int, logits: bool) -> int:
        """Add rows for `tokens` from `position` on; with `logits` the last one can be sampled. Returns the last row."""
        first, after = self.rows, self.rows + len(tokens)
        self._token[first:after] = tokens
        self._pos[first:after] = np.arange(position, position + len(tokens), dtype=np.int32)
        self._seq[first:after] = seq
        self._logits[first:after] = 0
        self._logits[after - 1] = logits
        self.rows = after
        return after - 1


class Context:
    """The cache of a model, and the call that computes. One thread owns it; only `abort` may come from others."""

    def __init__(self, weights: Weights, parameters: Any) -> None:
        """Raises `MemoryError` when the library cannot make it; its log says why."""
        self.handle = native.llama_init_from_model(weights.handle, parameters)
        if not self.handle:
            raise MemoryError
        self.n_ctx = int(native.llama_n_ctx_seq(self.handle))
        self._memory = native.llama_get_memory(self.handle)
        # The library asks this function between two operations. libc's strlen answers without the GIL: 0 for an empty
        # text, more than 0 as soon as another thread has written a byte.
        self._flag = ctypes.create_string_buffer(2)
        callback = ctypes.cast(_strlen, native.ggml_abort_callback)
        native.llama_set_abort_callback(self.handle, callback, ctypes.cast(self._flag, ctypes.c_void_p))

    def decode(self, batch: Batch) -> int:
        """Compute the batch: `DECODED`, `NO_ROOM`, `ABORTED` or less than 0."""
        batch.struct.n_tokens = batch.rows
        return int(native.llama_decode(self.handle, batch.struct))

    def abort(self) -> None:
        """Make a running or the next `decode` return `ABORTED`, until `clear_abort`."""
        self._flag[0] = b"\1"

    def clear_abort(self) -> None:
        self._flag[0] = b"\0"

    def sample(self, sampler: Any, row: int) -> int:
        """The next token after `row` of the last batch. A row without logits aborts the process."""
        return int(native.llama_sampler_sample(sampler, self.handle, row))

    def cut(self, seq: int, keep: int) -> bool:
        """Forget the sequence from position `keep` on. False if this kind of cache cannot; nothing is changed then."""
        return bool(native.llama_memory_seq_rm(self._memory, seq, keep, -1))

    def forget(self, seq: int) -> None:
        """Forget the whole sequence."""
        native.llama_memory_seq_rm(self._memory, seq, -1, -1)

    def copy(self, source: int, target: int) -> None:
        """Make the empty sequence `target` equal to `source`. Whole, since a partial copy aborts with a split cache."""
        native.llama_memory_seq_cp(self._memory, source, target, -1, -1)

    def state_size(self, seq: int) -> int:
        """Bytes of the sequence's state."""
        return int(native.llama_state_seq_get_size(self.handle, seq))

    def state(self, seq: int) -> memoryview:
        """A copy of all that the cache holds of the sequence; empty if the library cannot make it."""
        size = self.state_size(seq)
        data = np.empty(size, np.uint8)
        pointer = data.ctypes.data_as(ctypes.POINTER(ctypes.c_uint8))
        return memoryview(data.data)[: native.llama_state_seq_get_data(self.handle, pointer, size, seq)]

    def restore(self, seq: int, state: bytearray) -> bool:
        """Put a state that this kind of context made into the empty sequence. The library trusts it."""
        data = (ctypes.c_uint8 * len(state)).from_buffer(state)
        return bool(native.llama_state_seq_set_data(self.handle, data, len(state), seq) == len(state))


def devices() -> list[str]:
    """Descriptions of the GPUs that the library can use, else of the CPU."""
    base, registry = (native.load_shared_library(name, native._base_path) for name in ("ggml-base", "ggml"))
    count, get = registry.ggml_backend_dev_count, registry.ggml_backend_dev_get
    count.restype = ctypes.c_size_t
    get.restype, get.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    describe, kind = base.ggml_backend_dev_description, base.ggml_backend_dev_type
    describe.restype, describe.argtypes = ctypes.c_char_p, [ctypes.c_void_p]
    kind.restype, kind.argtypes = ctypes.c_int, [ctypes.c_void_p]
    found = [get(index) for index in range(count())]
    gpus = [device for device in found if kind(device) in (1, 2)]  # GGML_BACKEND_DEVICE_TYPE_GPU, _IGPU; 0 is the CPU
    return [describe(device).decode("utf-8", "replace").strip() for device in gpus or found]


def chain(samplers: Sequence[Any]) -> Any:
    """A sampler chain of `samplers`, which it owns."""
    handle = native.llama_sampler_chain_init(native.llama_sampler_chain_default_params())
    for sampler in samplers:
        native.llama_sampler_chain_add(handle, sampler)
    return handle
