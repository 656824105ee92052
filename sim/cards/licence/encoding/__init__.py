"""Encodings of data groups besides the Algerian compact one: the EU's, and the groups that few licences carry."""
