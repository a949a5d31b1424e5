"""The vocabulary of fairmend: everything else speaks it, it imports none of the others."""
