"""The names of all metrics, for whoever has to know them before torch is loaded; `docs/metrics.md` explains each."""

RECONSTRUCTION = (
    "series_fvu",
    "stitch_fvu",
    "line_fvu",
    "stitch_line_ratio",
    "shape_skill",
    "shape_correlation",
    "scale_ratio",
    "code_necessity",
    "covered_fraction",
    "window_samples",
    "window_samples_spread",
    "window_start_spread",
)
ACTION = (
    "action_kl",
    "action_kl_ratio",
    "action_kl_ratio_shuffled",
    "token_kl_ratio",
    "class_oracle_ratio",
    "naming_error",
    "within_class_naming_error",
    "within_class_kl_ratio",
    "target_information",
    "token_specificity",
    "set_mass",
    "key_agreement",
)
CODEBOOK = (
    "code_perplexity",
    "code_perplexity_share",
    "codes_used",
    "quantization_error",
    "distinct_shapes",
    "code_action_information",
    "code_class_information",
)
ALIGNMENT = (
    "contrastive_fused",
    "contrastive_unfused",
    "contrastive_chance",
    "contrastive_floor",
    "text_accuracy",
)
DOWNSTREAM = (
    "token_accuracy",
    "token_macro_f1",
    "histogram_accuracy",
    "histogram_macro_f1",
)
METRICS = RECONSTRUCTION + ACTION + CODEBOOK + ALIGNMENT + DOWNSTREAM
