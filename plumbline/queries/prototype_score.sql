-- The scores of a quick prototype on the validation and the test split.
--
-- Grain:      one row a row of the two splits
-- Inputs:     {table} the features table, with key and time
-- Parameters: none; {model}, {keys}, {features} and {window} are identifiers and expressions made from the config
-- Source:     BigQuery ML, "The ML.PREDICT function"
SELECT
  {keys},
  (SELECT prob FROM UNNEST(predicted_is_positive_probs) WHERE label = 1) AS score
FROM ML.PREDICT(
  MODEL {model},
  (
    SELECT
      {columns}
    FROM {table}
    WHERE {window}
  )
)
