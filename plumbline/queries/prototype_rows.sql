-- The rows of a quick prototype by AutoML, which is given tables and no queries.
--
-- Grain:      one row a row of {table} within the window
-- Inputs:     {table} the features table, with key, time and label
-- Parameters: none; {columns} and {window} are identifiers and expressions made from the config
-- Source:     Vertex AI, "Create a dataset for training classification and regression models"
SELECT
  {columns}
FROM {table}
WHERE {window}
