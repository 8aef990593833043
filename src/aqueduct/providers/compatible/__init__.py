"""Services that speak OpenAI's format with quirks of their own: the quirks as data, and what is done about them."""
