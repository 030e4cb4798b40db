//! Releases managed by OTP's release handler: the commands of EMQX 4.x, on real nodes.

mod appup;
mod documents;
mod killed;
mod records;
mod refusals;
mod scene;
