"""This package speaks to Salesforce: logins, reads, writes, and what its errors mean."""
