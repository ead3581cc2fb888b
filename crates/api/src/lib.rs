//! The interface of game servers and operators
