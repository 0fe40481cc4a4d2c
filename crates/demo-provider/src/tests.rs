//! The provider by itself: a client that others wrote signs people in at it, and its tokens are verified by a library that others wrote.

mod hooks;
mod sign_in;
mod sign_out;
mod support;
