"""The search for a less discriminatory alternative: what is tried, compared, chosen and confirmed."""
