"""One run: is it getting on, how fast, what does it cost, and what is it worth."""

from __future__ import annotations

from webssl_chart.boards.selectors import METRES, NAMESPACE, RUN_NAME, SHARES, of_run, of_trainer, over_range
from webssl_chart.panels import Board, Panel, Query, Row, Show

_PARTS = of_trainer("webssl_trainer_step_part_seconds_total")
_STEPS = of_trainer("webssl_trainer_step_seconds_count")

_HEADLINE = Row(
    "At a glance",
    (
        Panel(
            "Progress",
            "Samples seen of those that the schedule asks for.",
            "percentunit",
            (Query(f"{of_run('webssl_run_samples')} / {of_run('webssl_run_samples_target')}"),),
            Show.NUMBER,
            width=4,
            decimals=1,
            maximum=1,
        ),
        Panel(
            "Loss",
            "Latest loss, the sum of all terms. A gap is a loss that was not finite.",
            "short",
            (Query(of_run("webssl_run_loss")),),
            Show.NUMBER,
            width=4,
            decimals=3,
        ),
        Panel(
            "Images per second",
            "Over the last steps and all workers.",
            "short",
            (Query(of_run("webssl_run_images_per_second")),),
            Show.NUMBER,
            width=4,
        ),
        Panel(
            "Goodput",
            "Share of the workers' time that went into steps which count. Restarts, rolled-back steps, waiting for pods and "
            "saves that hold up training are the rest.",
            "percentunit",
            (Query(of_run("webssl_run_goodput")),),
            Show.NUMBER,
            width=4,
            decimals=1,
            maximum=1,
        ),
        Panel(
            "GPU hours",
            "Processes times the hours in which their pods ran, over all attempts.",
            "h",
            (Query(of_run("webssl_run_gpu_hours_total")),),
            Show.NUMBER,
            width=4,
            decimals=2,
        ),
        Panel(
            "Age of the newest checkpoint",
            "What would be lost if all workers died now. Longer than the checkpoint interval takes: look at the saves below.",
            "s",
            (Query(of_run("webssl_run_last_checkpoint_age_seconds")),),
            Show.NUMBER,
            width=4,
        ),
    ),
)

_LEARNING = Row(
    "Learning",
    (
        Panel(
            "Loss terms",
            "`loss` is what is minimised; the other terms are its parts before weighting.",
            "short",
            (Query(of_trainer("webssl_trainer_loss"), "{{term}}"),),
        ),
        Panel(
            "Learning rate",
            "After warm-up and decay, at the last step.",
            "sci",
            (Query(of_trainer("webssl_trainer_learning_rate"), "learning rate"),),
        ),
        Panel(
            "Gradient norm",
            "Before clipping. Spikes come before divergence; skipped steps had a loss or gradient that was not finite.",
            "short",
            (
                Query(of_trainer("webssl_trainer_gradient_norm"), "norm"),
                Query(of_trainer("webssl_trainer_skipped_steps_total"), "skipped steps"),
            ),
        ),
    ),
)

_SPEED = Row(
    "Speed",
    (
        Panel(
            "Images per second",
            "As the trainer measures it, over the last steps and all processes.",
            "short",
            (Query(of_trainer("webssl_trainer_images_per_second"), "images/s"),),
        ),
        Panel(
            "Where a step's time goes",
            "Mean seconds of a step by part, saves and the time between steps included. Much `data_wait`: more loader threads, or a "
            "faster bucket. Much `communication`: fewer, larger workers or a larger batch. Much `checkpoint`: a longer interval.",
            "s",
            (
                Query(
                    f"sum by (part) (rate({_PARTS}[$__rate_interval]))"
                    f" / on () group_left () sum(rate({_STEPS}[$__rate_interval]))",
                    "{{part}}",
                ),
            ),
            Show.STACKED,
        ),
        Panel(
            "Model FLOP utilisation",
            "Floating-point operations of the model, over what the devices could do. Nominal counts a step in which no branch is "
            "dropped; adjusted leaves out what stochastic depth skips. 0: peak of the device unknown, as on CPUs.",
            "percentunit",
            (Query(of_trainer("webssl_trainer_mfu_ratio"), "{{kind}}"),),
            maximum=1,
        ),
    ),
)

_WORKERS = Row(
    "Workers and checkpoints",
    (
        Panel(
            "Workers",
            "Ready: pods that run. Desired: what the operator asks for now; below spec.workers.max the run was cut to what fits.",
            "short",
            (
                Query(of_run("webssl_run_workers_ready"), "ready"),
                Query(of_run("webssl_run_workers_desired"), "desired"),
                Query(of_trainer("webssl_trainer_world_size"), "processes that train"),
            ),
        ),
        Panel(
            "Restarts and lost steps",
            "Workers that failed or were lost so far, and steps that were trained and rolled back. status.restarts.recent has the causes.",
            "short",
            (
                Query(of_run("webssl_run_restarts_total"), "restarts"),
                Query(of_run("webssl_run_lost_steps_total"), "lost steps"),
                Query(of_run("webssl_run_attempt"), "attempt"),
            ),
        ),
        Panel(
            "Training data",
            "Bytes a second of this attempt, all processes: read from the storage, used by samples, found in the cache of blocks. "
            "Read far above used: a filter that leaves little, or a cache that reads blocks whole. Troubles of the cache cost reads, "
            "never samples.",
            "Bps",
            (
                Query(f"rate({of_trainer('webssl_trainer_data_bytes')}[$__rate_interval])", "{{kind}}"),
                Query(of_trainer("webssl_trainer_data_cache_troubles"), "cache troubles: {{cause}}"),
            ),
        ),
        Panel(
            "Broken samples and checkpoints",
            "Images of this attempt that could not be read and were replaced (by cause; `quarantine/` beside the checkpoints lists "
            "them), reads and writes that were tried again, slow reads that were asked for twice, and checkpoints that did not "
            "verify at the last resume.",
            "short",
            (
                Query(of_run("webssl_run_broken_samples"), "images replaced"),
                Query(of_trainer("webssl_trainer_broken_samples_by_cause"), "broken: {{cause}}"),
                Query(of_trainer("webssl_trainer_storage_retries"), "tried again: {{cause}}"),
                Query(of_trainer("webssl_trainer_storage_hedges"), "asked for twice: {{result}}"),
                Query(of_run("webssl_run_checkpoints_rejected"), "checkpoints rejected"),
            ),
        ),
        Panel(
            "Age of the newest checkpoint",
            "A saw-tooth; a tooth that does not come down is a save that failed.",
            "s",
            (Query(of_run("webssl_run_last_checkpoint_age_seconds"), "age"),),
        ),
        Panel(
            "Seconds of a save",
            "Mean from start to commit in this attempt, and how long training stood still for it.",
            "s",
            (
                Query(
                    f"{of_trainer('webssl_trainer_checkpoint_seconds_sum')}"
                    f" / {of_trainer('webssl_trainer_checkpoint_seconds_count')}",
                    "start to commit",
                ),
                Query(
                    f"{of_trainer('webssl_trainer_checkpoint_stall_seconds_sum')}"
                    f" / {of_trainer('webssl_trainer_checkpoint_stall_seconds_count')}",
                    "training waits",
                ),
            ),
        ),
        Panel(
            "Saves",
            "By outcome, in this attempt.",
            "short",
            (Query(of_trainer("webssl_trainer_checkpoints_total"), "{{outcome}}"),),
        ),
    ),
)

_WORTH = Row(
    "Evaluation",
    (
        Panel(
            "Scores",
            "Of the newest checkpoint that was scored, in per cent; the prior (always the most frequent answer or class) stands beside "
            "each score.",
            "percent",
            (
                Query(
                    of_run("webssl_run_evaluation_score", "suite", "metric", only=SHARES),
                    "{{suite}} {{metric}}",
                ),
            ),
            Show.BARS,
            width=24,
            decimals=1,
            maximum=100,
        ),
        Panel(
            "Scores on the way",
            "In per cent, as checkpoints are scored beside training (spec.evaluation.periodic) and at its end.",
            "percent",
            (
                Query(
                    of_run("webssl_run_evaluation_score", "suite", "metric", only=SHARES),
                    "{{suite}} {{metric}}",
                ),
            ),
            width=12,
            decimals=1,
            maximum=100,
        ),
        Panel(
            "Scores by samples seen",
            "Every score of the chosen time, with the samples that its checkpoint had seen; sort by `samples` to see what more of them "
            "brought.",
            "short",
            (Query(over_range("webssl_run_evaluation_score", "suite", "metric", "samples"), "score"),),
            Show.TABLE,
            width=12,
            decimals=2,
            key=("suite", "metric", "samples"),
        ),
        Panel(
            "Errors of depth",
            "In metres, of the newest checkpoint that was scored; the prior is that of the mean depth everywhere.",
            "lengthm",
            (
                Query(
                    of_run("webssl_run_evaluation_score", "suite", "metric", only=METRES),
                    "{{suite}} {{metric}}",
                ),
            ),
            Show.BARS,
            width=24,
            decimals=3,
        ),
    ),
)

RUN = Board(
    uid="webssl-run",
    title="Web-SSL run",
    description="One training run from its first step to its scores.",
    rows=(_HEADLINE, _LEARNING, _SPEED, _WORKERS, _WORTH),
    variables=(NAMESPACE, RUN_NAME),
)
