"""Gemini's own protocol, `generateContent`, at its own API and on Vertex AI."""
