"""`torchrun -m data_mix_trainer …`: `datamix train` as a module, for launchers."""

from data_mix_trainer.cli import main

if __name__ == "__main__":
    main()
