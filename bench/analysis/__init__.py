"""What outcomes mean: numbers and sentences, no page and no picture. Computed when it is read."""
