-- Orders as they were known when they were placed.
--
-- Grain:  one row an order
-- Inputs: {orders} one row an order
SELECT
  order_number,
  placed_at,
  outcome,
  amount,
  warehouse,
  basket_size,
  express
FROM {orders}
