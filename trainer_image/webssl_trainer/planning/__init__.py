"""What a run will need, before a GPU is touched: memory, arithmetic, time. Formulas only; no tensor is made."""

from webssl_trainer.planning.gpus import GPUS, Gpu, gpu_named
from webssl_trainer.planning.job import Job, StageJob, job_of
from webssl_trainer.planning.outlook import Assumptions, CountOutlook, Outlook, outlook

__all__ = [
    "GPUS",
    "Assumptions",
    "CountOutlook",
    "Gpu",
    "Job",
    "Outlook",
    "StageJob",
    "gpu_named",
    "job_of",
    "outlook",
]
