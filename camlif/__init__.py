"""Trained ensembles of CA-MLIF for multimodal tumour prognosis."""
