"""The types that the API answers with, and the OpenAPI document that describes them."""
