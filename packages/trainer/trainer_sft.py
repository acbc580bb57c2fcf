"""The script of the original command; see docs/training.md.

deepspeed trainer_sft.py --configs defaults redpajama-3b datasets --num_train_epochs 2 --deepspeed
"""

from data_mix_trainer.cli import main

if __name__ == "__main__":
    main()
