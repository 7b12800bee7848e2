"""Real repositories and the values that their vendors' pages give for them."""

from dataclasses import dataclass, field

import pytest

from m3studio.presets import NEUTRAL, sampling_for

HUB = "https://huggingface.co/"
NOTHING = {"temperature": 0.8, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "repeat_penalty": 1.0}


@dataclass
class Header:
    """What the header of a converted file tells."""

    name: str = ""
    architecture: str = "llama"
    basename: str = ""
    size_label: str = ""
    base_models: tuple[str, ...] = ()
    metadata: dict[str, object] = field(default_factory=dict)
    sampling: dict[str, object] = field(default_factory=dict)


# repository, architecture, values on the vendor's page (what it does not say stays neutral), that page
REPOS = [
    ("unsloth/MiniMax-M3-GGUF", "minimax-m3", {"temperature": 1.0, "top_p": 0.95, "top_k": 40}, "MiniMaxAI/MiniMax-M3"),
    ("unsloth/MiniMax-M2.5-GGUF", "minimax-m2", {"temperature": 1.0, "top_p": 0.95, "top_k": 40}, "MiniMaxAI/MiniMax-M2.5"),
    ("unsloth/MiniMax-M2-GGUF", "minimax-m2", {"temperature": 1.0, "top_p": 0.95, "top_k": 40}, "MiniMaxAI/MiniMax-M2"),
    ("unsloth/Qwen3-8B-128K-GGUF", "qwen3", {"temperature": 0.6, "top_p": 0.95, "top_k": 20}, "Qwen/Qwen3-8B"),
    ("bartowski/Qwen_Qwen3-30B-A3B-GGUF", "qwen3moe", {"temperature": 0.6, "top_p": 0.95, "top_k": 20}, "Qwen/Qwen3-8B"),
    ("unsloth/Qwen3-30B-A3B-Instruct-2507-GGUF", "qwen3moe", {"temperature": 0.7, "top_p": 0.8, "top_k": 20}, "Qwen/Qwen3-30B-A3B-Instruct-2507"),
    ("unsloth/Qwen3-4B-Thinking-2507-GGUF", "qwen3", {"temperature": 0.6, "top_p": 0.95, "top_k": 20}, "Qwen/Qwen3-30B-A3B-Thinking-2507"),
    ("unsloth/Qwen3-Coder-30B-A3B-Instruct-GGUF", "qwen3moe", {"temperature": 0.7, "top_p": 0.8, "top_k": 20, "repeat_penalty": 1.05}, "Qwen/Qwen3-Coder-30B-A3B-Instruct"),
    ("Qwen/Qwen3-VL-8B-Thinking-GGUF", "qwen3vl", {"temperature": 0.6, "top_p": 0.95, "top_k": 20}, "Qwen/Qwen3-VL-8B-Thinking"),
    ("Qwen/QwQ-32B-GGUF", "qwen2", {"temperature": 0.6, "top_p": 0.95, "top_k": 40}, "Qwen/QwQ-32B"),
    ("Qwen/Qwen2.5-7B-Instruct-GGUF", "qwen2", {"temperature": 0.7, "top_p": 0.8, "top_k": 20, "repeat_penalty": 1.05}, "Qwen/Qwen2.5-7B-Instruct"),
    ("Qwen/Qwen2.5-0.5B-Instruct-GGUF", "qwen2", {"temperature": 0.7, "top_p": 0.8, "top_k": 20, "repeat_penalty": 1.1}, "Qwen/Qwen2.5-1.5B-Instruct"),
    ("bartowski/DeepSeek-R1-Distill-Llama-8B-GGUF", "llama", {"temperature": 0.6, "top_p": 0.95}, "deepseek-ai/DeepSeek-R1-Distill-Llama-8B"),
    ("unsloth/DeepSeek-R1-0528-GGUF", "deepseek2", {"temperature": 0.6, "top_p": 0.95}, "deepseek-ai/DeepSeek-R1-0528"),
    ("unsloth/DeepSeek-R1-0528-Qwen3-8B-GGUF", "qwen3", {"temperature": 0.6, "top_p": 0.95}, "deepseek-ai/DeepSeek-R1-0528-Qwen3-8B"),
    ("unsloth/DeepSeek-V4-Flash-GGUF", "deepseek4", {"temperature": 1.0, "top_p": 1.0}, "deepseek-ai/DeepSeek-V4-Flash"),
    ("unsloth/Kimi-K2-Instruct-0905-GGUF", "deepseek2", {"temperature": 0.6}, "moonshotai/Kimi-K2-Instruct-0905"),
    ("unsloth/Kimi-K2.5-GGUF", "deepseek2", {"temperature": 1.0, "top_p": 0.95}, "moonshotai/Kimi-K2.5"),
    ("unsloth/GLM-4.6-GGUF", "glm4moe", {"temperature": 1.0, "top_p": 0.95, "top_k": 40}, "zai-org/GLM-4.6"),
    ("bartowski/zai-org_GLM-4.7-Flash-GGUF", "deepseek2", {"temperature": 1.0, "top_p": 0.95}, "zai-org/GLM-4.7"),
    ("bartowski/Meta-Llama-3.1-8B-Instruct-GGUF", "llama", {"temperature": 0.6, "top_p": 0.9}, "meta-llama/Llama-3.1-8B-Instruct"),
    ("unsloth/Llama-3.2-3B-Instruct-GGUF", "llama", {"temperature": 0.6, "top_p": 0.9}, "meta-llama/Llama-3.2-3B-Instruct"),
    ("lmstudio-community/Llama-3.3-70B-Instruct-GGUF", "llama", {"temperature": 0.6, "top_p": 0.9}, "meta-llama/Llama-3.3-70B-Instruct"),
    ("bartowski/Llama-3.1-Nemotron-70B-Instruct-HF-GGUF", "llama", {"temperature": 0.0}, "nvidia/Llama-3.1-Nemotron-70B-Instruct-HF"),
    ("google/gemma-3-12b-it-qat-q4_0-gguf", "gemma3", {"temperature": 1.0, "top_p": 0.95, "top_k": 64}, "google/gemma-3-27b-it"),
    ("unsloth/gemma-3n-E4B-it-GGUF", "gemma3n", {"temperature": 1.0, "top_p": 0.95, "top_k": 64}, "google/gemma-3n-E4B-it"),
    ("bartowski/Mistral-Nemo-Instruct-2407-GGUF", "llama", {"temperature": 0.3}, "mistralai/Mistral-Nemo-Instruct-2407"),
    ("unsloth/Mistral-Small-3.2-24B-Instruct-2506-GGUF", "llama", {"temperature": 0.15}, "mistralai/Mistral-Small-3.2-24B-Instruct-2506"),
    ("mistralai/Magistral-Small-2509-GGUF", "llama", {"temperature": 0.7, "top_p": 0.95}, "mistralai/Magistral-Small-2509"),
    ("unsloth/Nemotron-3-Nano-30B-A3B-GGUF", "nemotron_h_moe", {"temperature": 1.0, "top_p": 1.0}, "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16"),
    ("unsloth/granite-4.0-h-small-GGUF", "granitehybrid", {"temperature": 0.0}, "ibm-granite/granite-4.0-h-small"),
    ("unsloth/Phi-4-reasoning-plus-GGUF", "phi3", {"temperature": 0.8, "top_p": 0.95, "top_k": 50}, "microsoft/Phi-4-reasoning-plus"),
    ("ggml-org/SmolLM3-3B-GGUF", "smollm3", {"temperature": 0.6, "top_p": 0.95}, "HuggingFaceTB/SmolLM3-3B"),
    ("LiquidAI/LFM2-1.2B-GGUF", "lfm2", {"temperature": 0.3, "min_p": 0.15, "repeat_penalty": 1.05}, "LiquidAI/LFM2-1.2B"),
    ("bartowski/tencent_Hunyuan-A13B-Instruct-GGUF", "hunyuan-moe", {"temperature": 0.7, "top_p": 0.8, "top_k": 20, "repeat_penalty": 1.05}, "tencent/Hunyuan-A13B-Instruct"),
    ("mradermacher/Hunyuan-MT-7B-i1-GGUF", "hunyuan-dense", {"temperature": 0.7, "top_p": 0.6, "top_k": 20, "repeat_penalty": 1.05}, "tencent/Hunyuan-MT-7B"),
    ("unsloth/Seed-OSS-36B-Instruct-GGUF", "seed_oss", {"temperature": 1.1, "top_p": 0.95}, "ByteDance-Seed/Seed-OSS-36B-Instruct"),
    ("unsloth/ERNIE-4.5-21B-A3B-PT-GGUF", "ernie4_5-moe", {"temperature": 0.8, "top_p": 0.8}, "baidu/ERNIE-4.5-21B-A3B-PT"),
    ("unsloth/Apertus-8B-Instruct-2509-GGUF", "apertus", {"temperature": 0.8, "top_p": 0.9}, "swiss-ai/Apertus-8B-Instruct-2509"),
    ("bartowski/c4ai-command-r7b-12-2024-GGUF", "cohere2", {"temperature": 0.3}, "CohereLabs/c4ai-command-r7b-12-2024"),
    ("LGAI-EXAONE/EXAONE-4.0-32B-GGUF", "exaone4", {"temperature": 0.6, "top_p": 0.95}, "LGAI-EXAONE/EXAONE-4.0-32B"),
    ("ggml-org/gpt-oss-120b-GGUF", "gpt-oss", {"temperature": 1.0, "top_p": 1.0}, "https://github.com/openai/gpt-oss"),
    ("microsoft/phi-2-gguf", "phi2", {}, ""),
    ("bartowski/Dolphin3.0-Llama3.1-8B-GGUF", "llama", {}, ""),
    ("DevQuasar/stepfun-ai.step3-GGUF", "step3", {}, ""),
]  # fmt: skip


@pytest.mark.parametrize(("repo", "architecture", "values", "page"), REPOS, ids=[row[0] for row in REPOS])
@pytest.mark.parametrize("named", ["by repository", "by file"])
def test_each_repository_gets_its_vendors_values(repo, architecture, values, page, named):
    if named == "by repository":
        found = sampling_for(Header(architecture=architecture), repo)
    else:
        name = repo.rpartition("/")[2].replace("-GGUF", "").replace("-gguf", "").rpartition("_")[2]
        if repo.startswith("google/"):
            name = "Gemma 3 12b It"
        found = sampling_for(Header(name.replace("-", " ").removeprefix("stepfun ai."), architecture))
    assert {key: found[key].value for key in NOTHING} == {**NOTHING, **values}
    url = page if page.startswith("https") else HUB + page
    assert {found[key].source for key in values} == ({url} if page else set())
    assert all(found[key].date for key in values)
    assert {found[key].source for key in set(NOTHING) - set(values)} <= {NEUTRAL} | ({url} if page else set())


def test_there_are_forty_and_more():
    assert len({row[0] for row in REPOS}) >= 40
