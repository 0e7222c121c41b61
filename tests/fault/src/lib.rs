//! Breaks nodes, databases, networks and the ways between them by a seed's plan, under the load of clients that remember
//! what they were told. At the end, with everything mended, the books must agree.
//!
//! Nothing here knows the gateway's code. A seed is one plan: who calls how, which fault begins when. The moments at which
//! processes meet are the machine's, so a failing seed may pass once; it fails again soon.

pub mod books;
pub mod clock;
pub mod disk;
pub mod hooks;
pub mod link;
pub mod node;
pub mod plan;
pub mod run;
pub mod settle;
pub mod shop;
pub mod stage;
pub mod terminal;
pub mod trouble;
pub mod wire;
pub mod witness;
