"""What the vendors advise for their models, one entry each. Data only."""

from m3studio.presets.preset import Preset, at

_LLAMA = at(0.6, 0.9)  # Meta says so in generation_config.json alone
_QWEN_THINKING, _QWEN_DIRECT = at(0.6, 0.95, 20, 0.0), at(0.7, 0.8, 20, 0.0)
_QWEN25 = at(0.7, 0.8, 20, repeat_penalty=1.05)
_QWEN25_SMALL = at(0.7, 0.8, 20, repeat_penalty=1.1)
_QWEN35_THINKING = at(1.0, 0.95, 20, 0.0, presence_penalty=1.5, repeat_penalty=1.0)
_QWEN35_DIRECT = at(0.7, 0.8, 20, 0.0, presence_penalty=1.5, repeat_penalty=1.0)
_GEMMA = at(1.0, 0.95, 64)
_MINIMAX = at(1.0, 0.95, 40)
_HUNYUAN = at(0.7, 0.8, 20, repeat_penalty=1.05)
_REASONER = at(0.6, 0.95)  # what many vendors found for models that think
_GREEDY = at(0.0)


def _name(model: str) -> str:
    return f"You are a helpful assistant. Your name is {model} and is built by MiniMax."


PRESETS: tuple[Preset, ...] = (
    # MiniMax
    Preset("minimax-m3", "MiniMaxAI/MiniMax-M3", "2026-06", _MINIMAX, system=_name("MiniMax-M3")),
    Preset("minimax-m2.7", "MiniMaxAI/MiniMax-M2.7", "2026-11", _MINIMAX, system=_name("MiniMax-M2.7")),
    Preset("minimax-m2.5", "MiniMaxAI/MiniMax-M2.5", "2026-11", _MINIMAX, system=_name("MiniMax-M2.5")),
    Preset("minimax-m2.1", "MiniMaxAI/MiniMax-M2.1", "2026-11", _MINIMAX, system=_name("MiniMax-M2.1")),
    Preset("minimax-m2", "MiniMaxAI/MiniMax-M2", "2026-11", _MINIMAX),
    Preset("minimax-m1-40k|minimax-m1-80k", "MiniMaxAI/MiniMax-M1-80k", "2025-06", at(1.0, 0.95)),
    # Qwen
    Preset("qwen3-#", "Qwen/Qwen3-8B", "2026-11", _QWEN_THINKING, _QWEN_DIRECT),
    Preset("qwen3-#-instruct-2507", "Qwen/Qwen3-30B-A3B-Instruct-2507", "2026-11", _QWEN_DIRECT),
    Preset("qwen3-#-thinking-2507", "Qwen/Qwen3-30B-A3B-Thinking-2507", "2026-11", _QWEN_THINKING),
    Preset(
        "qwen3-coder-#-instruct",
        "Qwen/Qwen3-Coder-30B-A3B-Instruct",
        "2025-07",
        at(0.7, 0.8, 20, repeat_penalty=1.05),
    ),
    Preset("qwen3-coder-next", "Qwen/Qwen3-Coder-Next", "2026-02", at(1.0, 0.95, 40)),
    Preset("qwen3-next-#-instruct", "Qwen/Qwen3-Next-80B-A3B-Instruct", "2025-09", _QWEN_DIRECT),
    Preset("qwen3-next-#-thinking", "Qwen/Qwen3-Next-80B-A3B-Thinking", "2025-09", _QWEN_THINKING),
    Preset(
        "qwen3-vl-#-instruct",
        "Qwen/Qwen3-VL-8B-Instruct",
        "2026-11",
        at(0.7, 0.8, 20, presence_penalty=1.5, repeat_penalty=1.0),
    ),
    Preset(
        "qwen3-vl-#-thinking",
        "Qwen/Qwen3-VL-8B-Thinking",
        "2026-11",
        at(0.6, 0.95, 20, presence_penalty=0.0, repeat_penalty=1.0),
    ),
    Preset("qwen3.5-#", "Qwen/Qwen3.5-35B-A3B", "2026-02", _QWEN35_THINKING, _QWEN35_DIRECT),
    Preset("qwen3.6-#", "Qwen/Qwen3.6-35B-A3B", "2026-04", _QWEN35_THINKING, _QWEN35_DIRECT),
    Preset("qwen3.8-#", "Qwen/Qwen3.8-27B", "2026-11", at(1.0, 0.95, 20)),
    Preset("qwq-32b", "Qwen/QwQ-32B", "2025-03", at(0.6, 0.95, 40, 0.0)),
    Preset("qwen2.5-0.5b-instruct|qwen2.5-1.5b-instruct", "Qwen/Qwen2.5-1.5B-Instruct", "2024-09", _QWEN25_SMALL),
    Preset("qwen2.5-#-instruct", "Qwen/Qwen2.5-7B-Instruct", "2024-09", _QWEN25),
    Preset("qwen2.5-coder-#-instruct", "Qwen/Qwen2.5-Coder-7B-Instruct", "2024-11", _QWEN25_SMALL),
    Preset("qwen2-#-instruct", "Qwen/Qwen2-7B-Instruct", "2024-06", _QWEN25),
    # DeepSeek
    Preset("deepseek-r1[-0528]", "deepseek-ai/DeepSeek-R1-0528", "2026-11", _REASONER),
    Preset("deepseek-r1-0528-qwen3-8b", "deepseek-ai/DeepSeek-R1-0528-Qwen3-8B", "2025-05", _REASONER),
    Preset("deepseek-r1-distill-llama-#", "deepseek-ai/DeepSeek-R1-Distill-Llama-8B", "2026-11", _REASONER),
    Preset("deepseek-r1-distill-qwen-#", "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", "2026-11", _REASONER),
    Preset("deepseek-v3-0324", "deepseek-ai/DeepSeek-V3-0324", "2025-03", at(0.3)),
    Preset("deepseek-v3.1[-terminus]", "deepseek-ai/DeepSeek-V3.1", "2025-08", _REASONER),
    Preset("deepseek-v3.2-exp", "deepseek-ai/DeepSeek-V3.2-Exp", "2025-09", _REASONER),
    Preset("deepseek-v3.2[-speciale]", "deepseek-ai/DeepSeek-V3.2", "2025-12", at(1.0, 0.95)),
    Preset("deepseek-v4-pro|deepseek-v4-flash[-0731]", "deepseek-ai/DeepSeek-V4-Flash", "2026-11", at(1.0, 1.0)),
    # Moonshot
    Preset("kimi-k2-instruct[-0905]", "moonshotai/Kimi-K2-Instruct-0905", "2026-11", at(0.6)),
    Preset("kimi-k2-thinking", "moonshotai/Kimi-K2-Thinking", "2025-11", at(1.0)),
    Preset("kimi-k2.5", "moonshotai/Kimi-K2.5", "2026-11", at(1.0, 0.95), at(0.6, 0.95)),
    Preset("kimi-k2.6", "moonshotai/Kimi-K2.6", "2026-11", at(1.0, 0.95), at(0.6, 0.95)),
    Preset("kimi-k2.7-code", "moonshotai/Kimi-K2.7-Code", "2026-11", at(1.0, 0.95)),
    Preset("kimi-vl-a3b-thinking[-2506]", "moonshotai/Kimi-VL-A3B-Thinking-2506", "2025-06", at(0.8)),
    Preset("kimi-vl-a3b-instruct", "moonshotai/Kimi-VL-A3B-Instruct", "2025-04", at(0.2)),
    # Z.ai
    Preset("glm-5", "zai-org/GLM-5", "2026-02", at(1.0, 0.95)),
    Preset("glm-4.7[-flash]", "zai-org/GLM-4.7", "2025-12", at(1.0, 0.95)),
    Preset("glm-4.6", "zai-org/GLM-4.6", "2025-09", at(1.0, 0.95, 40)),
    Preset("glm-4.5[-air]", "https://docs.z.ai/guides/llm/glm-4.5", "2025-07", at(0.6, 0.95)),
    Preset("glm-4.6v[-flash]", "zai-org/GLM-4.6V", "2025-12", at(0.8, 0.6, 2, repeat_penalty=1.1)),
    Preset("glm-z1-#-0414", "zai-org/GLM-Z1-32B-0414", "2025-04", at(0.6, 0.95, 40)),
    # OpenAI
    Preset("gpt-oss-#", "https://github.com/openai/gpt-oss", "2026-11", at(1.0, 1.0)),
    # Meta
    Preset("[meta-]llama-2-#-chat", "meta-llama/Llama-2-7b-chat-hf", "2023-07", _LLAMA),
    Preset("[meta-]llama-3-#-instruct", "meta-llama/Meta-Llama-3-8B-Instruct", "2024-04", _LLAMA),
    Preset("[meta-]llama-3.1-#-instruct", "meta-llama/Llama-3.1-8B-Instruct", "2024-07", _LLAMA),
    Preset("[meta-]llama-3.2-#[-vision]-instruct", "meta-llama/Llama-3.2-3B-Instruct", "2024-09", _LLAMA),
    Preset("[meta-]llama-3.3-#-instruct", "meta-llama/Llama-3.3-70B-Instruct", "2024-12", _LLAMA),
    Preset(
        "llama-4-scout-17b-16e-instruct|llama-4-maverick-17b-128e-instruct",
        "meta-llama/Llama-4-Scout-17B-16E-Instruct",
        "2025-04",
        _LLAMA,
    ),
    # Google
    Preset("gemma-3-#-it", "google/gemma-3-27b-it", "2025-03", _GEMMA),
    Preset("gemma-3n-#-it", "google/gemma-3n-E4B-it", "2025-06", _GEMMA),
    Preset("gemma-4-#-it", "google/gemma-4-31B-it", "2026-11", _GEMMA),
    Preset("medgemma-#-it", "google/medgemma-27b-it", "2025-07", _GEMMA),
    # Mistral
    Preset("mistral-nemo-instruct-2407", "mistralai/Mistral-Nemo-Instruct-2407", "2024-07", at(0.3)),
    Preset("mistral-small-24b-instruct-2501", "mistralai/Mistral-Small-24B-Instruct-2501", "2025-01", at(0.15)),
    Preset("mistral-small-3.1-24b-instruct-2503", "mistralai/Mistral-Small-3.1-24B-Instruct-2503", "2025-03", at(0.15)),
    Preset("mistral-small-3.2-24b-instruct-2506", "mistralai/Mistral-Small-3.2-24B-Instruct-2506", "2025-06", at(0.15)),
    Preset(
        "magistral-small-2506|magistral-small-2507|magistral-small-2509",
        "mistralai/Magistral-Small-2509",
        "2025-09",
        at(0.7, 0.95),
    ),
    Preset("devstral-small-2505|devstral-small-2507", "mistralai/Devstral-Small-2507", "2025-07", at(0.15)),
    Preset(
        "devstral-small-2-24b-instruct-2512|devstral-2-123b-instruct-2512",
        "mistralai/Devstral-Small-2-24B-Instruct-2512",
        "2025-12",
        at(0.15),
    ),
    Preset("ministral-3-#-instruct-2512", "mistralai/Ministral-3-14B-Instruct-2512", "2026-11", at(0.15)),
    Preset("mistral-large-3-#-instruct-2512", "mistralai/Mistral-Large-3-675B-Instruct-2512", "2026-11", at(0.15)),
    Preset("mistral-small-4-#-2603", "mistralai/Mistral-Small-4-119B-2603", "2026-11", at(0.7)),
    Preset("ministral-3-#-reasoning-2512", "mistralai/Ministral-3-14B-Reasoning-2512", "2026-11", at(0.7, 0.95)),
    # NVIDIA
    Preset(
        "llama-3.1-nemotron-70b-instruct",
        "nvidia/Llama-3.1-Nemotron-70B-Instruct-HF",
        "2026-11",
        at(0.0, 1.0),
    ),
    Preset(
        "llama-3.3-nemotron-super-49b-v1[.5]|llama-3-3-nemotron-super-49b-v1[-5]",
        "nvidia/Llama-3_3-Nemotron-Super-49B-v1_5",
        "2025-07",
        _REASONER,
        _GREEDY,
    ),
    Preset("llama-3.1-nemotron-nano-#-v1[.1]", "nvidia/Llama-3.1-Nemotron-Nano-8B-v1", "2025-03", _REASONER, _GREEDY),
    Preset(
        "llama-3.1-nemotron-ultra-253b-v1|llama-3-1-nemotron-ultra-253b-v1",
        "nvidia/Llama-3_1-Nemotron-Ultra-253B-v1",
        "2025-04",
        _REASONER,
        _GREEDY,
    ),
    Preset(
        "[nvidia-]nemotron-nano-9b-v2|[nvidia-]nemotron-nano-12b-v2",
        "nvidia/NVIDIA-Nemotron-Nano-9B-v2",
        "2025-08",
        _REASONER,
        _GREEDY,
    ),
    Preset("[nvidia-]nemotron-3-nano-#", "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16", "2025-12", at(1.0, 1.0)),
    Preset("[nvidia-]nemotron-3-super-#", "nvidia/NVIDIA-Nemotron-3-Super-120B-A12B-BF16", "2026-03", at(1.0, 0.95)),
    # IBM
    Preset(
        "granite-4.0-h-small|granite-4.0-h-tiny|granite-4.0-h-micro|granite-4.0-micro|granite-4.0-[h-]#",
        "ibm-granite/granite-4.0-h-small",
        "2025-10",
        at(0.0, 1.0, 0),
    ),
    # Microsoft
    Preset("phi-4-reasoning[-plus]", "microsoft/Phi-4-reasoning-plus", "2025-04", at(0.8, 0.95, 50)),
    Preset("phi-4-mini-reasoning", "microsoft/Phi-4-mini-reasoning", "2025-04", at(0.8, 0.95)),
    Preset("phi-4-mini-flash-reasoning", "microsoft/Phi-4-mini-flash-reasoning", "2025-07", _REASONER),
    # Hugging Face
    Preset("smollm3-3b", "HuggingFaceTB/SmolLM3-3B", "2026-11", _REASONER),
    Preset(  # the long names stand in the files' own metadata
        "smollm2-#-instruct|smollm2-#-8k-lc100k-mix1-ep2|smollm2-1.7b-8k-mix7-ep2-v2",
        "HuggingFaceTB/SmolLM2-1.7B-Instruct",
        "2024-11",
        at(0.2, 0.9),
    ),
    Preset("smollm-#-instruct", "HuggingFaceTB/SmolLM-1.7B-Instruct", "2024-08", at(0.2, 0.9)),
    # Liquid AI
    Preset("lfm2-#", "LiquidAI/LFM2-1.2B", "2025-07", at(0.3, min_p=0.15, repeat_penalty=1.05)),
    Preset(
        "lfm2.5-#-instruct|lfm2.5-350m|lfm2.5-230m",
        "LiquidAI/LFM2.5-1.2B-Instruct",
        "2026-11",
        at(0.1, None, 50, repeat_penalty=1.05),
    ),
    Preset(
        "lfm2.5-#-thinking",
        "LiquidAI/LFM2.5-1.2B-Thinking",
        "2026-11",
        at(0.05, None, 50, repeat_penalty=1.05),
    ),
    Preset("lfm2.5-8b-a1b", "LiquidAI/LFM2.5-8B-A1B", "2026-11", at(0.2, None, 80, repeat_penalty=1.05)),
    # Tencent
    Preset("hunyuan-a13b-instruct", "tencent/Hunyuan-A13B-Instruct", "2026-11", _HUNYUAN),
    Preset("hunyuan-#-instruct", "tencent/Hunyuan-7B-Instruct", "2026-11", _HUNYUAN),
    Preset("hy3", "tencent/Hy3", "2026-11", at(0.9, 1.0)),
    Preset("hunyuan-mt-#", "tencent/Hunyuan-MT-7B", "2025-09", at(0.7, 0.6, 20, repeat_penalty=1.05)),
    # ByteDance, Baidu, Xiaomi, StepFun, inclusionAI
    Preset("seed-oss-36b-instruct", "ByteDance-Seed/Seed-OSS-36B-Instruct", "2026-11", at(1.1, 0.95)),
    Preset("ernie-4.5-#-pt", "baidu/ERNIE-4.5-21B-A3B-PT", "2025-06", at(0.8, 0.8)),
    Preset("ernie-4.5-21b-a3b-thinking", "baidu/ERNIE-4.5-21B-A3B-Thinking", "2025-09", _REASONER),
    Preset("mimo-7b-rl[-0530]", "XiaomiMiMo/MiMo-7B-RL", "2026-11", at(0.6)),
    Preset("mimo-v2-flash", "XiaomiMiMo/MiMo-V2-Flash", "2026-11", at(0.8, 0.95)),
    Preset("step-3.5-flash", "stepfun-ai/Step-3.5-Flash", "2026-02", at(1.0, 0.95)),
    Preset("ling-mini-2.0|ling-flash-2.0", "inclusionAI/Ling-mini-2.0", "2026-11", at(0.7, 0.8, repeat_penalty=1.05)),
    Preset("ring-mini-2.0|ring-flash-2.0", "inclusionAI/Ring-mini-2.0", "2025-09", _REASONER),
    # Cohere
    Preset("c4ai-command-r-v01|c4ai-command-r-08-2024", "CohereLabs/c4ai-command-r-08-2024", "2024-08", at(0.3)),
    Preset("c4ai-command-r7b-12-2024", "CohereLabs/c4ai-command-r7b-12-2024", "2024-12", at(0.3)),
    Preset("c4ai-command-r-plus[-08-2024]", "CohereLabs/c4ai-command-r-plus-08-2024", "2024-08", at(0.3)),
    Preset("c4ai-command-a-03-2025", "CohereLabs/c4ai-command-a-03-2025", "2025-03", at(0.3)),
    Preset("aya-expanse-#", "CohereLabs/aya-expanse-8b", "2024-10", at(0.3)),
    # LG, Upstage, Swiss AI, Ai2, TII, Nous, Arcee, OpenBMB, JetBrains, Menlo
    Preset("exaone-4.0-#", "LGAI-EXAONE/EXAONE-4.0-32B", "2026-11", _REASONER),
    Preset("exaone-deep-#", "LGAI-EXAONE/EXAONE-Deep-32B", "2025-03", _REASONER),
    Preset("solar-open-100b", "upstage/Solar-Open-100B", "2025-12", at(0.8, 0.95, 50)),
    Preset("apertus-#-instruct-2509", "swiss-ai/Apertus-8B-Instruct-2509", "2025-09", at(0.8, 0.9)),
    Preset("olmo-3-#-think|olmo-3.1-#-think", "allenai/Olmo-3-32B-Think", "2025-11", _REASONER),
    Preset("olmo-3-#-instruct|olmo-3.1-#-instruct", "allenai/Olmo-3-7B-Instruct", "2025-11", _REASONER),
    Preset("falcon-h1-#-instruct", "tiiuae/Falcon-H1-34B-Instruct", "2025-05", at(0.1)),
    Preset("hermes-4-#", "NousResearch/Hermes-4-70B", "2025-08", at(0.6, 0.95, 20)),
    Preset("afm-4.5b", "arcee-ai/AFM-4.5B", "2025-07", at(0.5, 0.95, 50, repeat_penalty=1.1)),
    Preset("trinity-mini", "arcee-ai/Trinity-Mini", "2026-11", at(0.15, 0.75, 50, 0.06)),
    Preset("muse-glimmer-30b", "meta-models/Muse-Glimmer-30B", "2026-11", at(1.0, 0.95, 64)),
    Preset("minicpm5-#", "openbmb/MiniCPM5-1B", "2026-11", at(0.9, 0.95), at(0.7, 0.95)),
    Preset(
        "mellum2-#-instruct|mellum2-#-thinking",
        "JetBrains/Mellum2-12B-A2.5B-Instruct",
        "2026-11",
        at(0.6, 0.95, 20),
    ),
    Preset("jan-v1-4b", "janhq/Jan-v1-4B", "2025-08", at(0.6, 0.95, 20, 0.0)),
)

# llama.cpp's architectures that one vendor uses for models with one and the same advice: the name of a preset for each.
# Architectures that everyone builds on (llama, qwen2, qwen3, ...) must not stand here.
FAMILIES: dict[str, str] = {
    "apertus": "apertus-8b-instruct-2509",
    "gemma3": "gemma-3-27b-it",
    "gemma3n": "gemma-3n-e4b-it",
    "gemma4": "gemma-4-31b-it",
    "gpt-oss": "gpt-oss-120b",
    "lfm2": "lfm2-1.2b",
    "lfm2moe": "lfm2-8b-a1b",
    "minimax-m2": "minimax-m2",
    "minimax-m3": "minimax-m3",
    "muse-glimmer": "muse-glimmer-30b",
    "qwen35": "qwen3.5-27b",
    "qwen35moe": "qwen3.5-35b-a3b",
    "seed_oss": "seed-oss-36b-instruct",
    "smollm3": "smollm3-3b",
}
