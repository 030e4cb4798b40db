//! Distribution between this program and real nodes: TLS with certificates made here, IPv6, short
//! names, epmd, and what is known of a node that cannot be seen.

mod authority;
mod by_name;
mod epmd;
mod kept_out;
mod secure;
mod spoken;
mod unseen;
mod untrusted;
