"""`python -m webssl_trainer.loop`: one training process without an agent, for debugging."""

from webssl_trainer.loop.entry import run

if __name__ == "__main__":
    run()
