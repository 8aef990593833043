"""REST over `control/`: below `/api/admin/`, a folder a resource, on FastAPI, which writes the OpenAPI document.

An endpoint reads a request into what a use case takes and shows what it gives; it decides nothing. Who asks is found
out at the door, before a byte of the body is read. pydantic is at home here alone.
"""
