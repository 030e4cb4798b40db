//! The Erlang modules that are carried as source and compiled in the VM that runs them, so that one
//! binary serves every OTP release from 25 to 28. They are plain files in `shims/erl/`.
