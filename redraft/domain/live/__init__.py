"""What versions do live: traces, the versions they used, and figures kept in the transaction that changes them."""
