"""source-notion: brings a Notion workspace into any warehouse through Airbyte."""
