-- A quick prototype: a model in BigQuery ML.
--
-- Grain:      one row a row of the training split
-- Inputs:     {table} the training split, with key, time and label
-- Parameters: none; {model}, {options}, {features} and {label} are identifiers and expressions made from the config
-- Source:     BigQuery ML, "The CREATE MODEL statement for generalized linear models" and "... for boosted trees models"
--
-- AUTO_CLASS_WEIGHTS weighs a class by rows / (classes x rows of the class). Whoever reads the scores brings them back to
-- the true prevalence.
CREATE OR REPLACE MODEL {model}
OPTIONS (
  {options},
  INPUT_LABEL_COLS = ['is_positive'],
  AUTO_CLASS_WEIGHTS = TRUE,
  DATA_SPLIT_METHOD = 'NO_SPLIT'
) AS
SELECT
  {features},
  IF({label}, 1, 0) AS is_positive
FROM {table}
