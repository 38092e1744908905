"""One scorer a file; `webssl_trainer.curation.registry` names them."""
