"""AWS Lambda entry points, a dozen lines each."""
