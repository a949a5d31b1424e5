"""The contract and vocabulary of fairmend: all other packages import it, it imports none of them."""
