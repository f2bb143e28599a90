mod check;
mod desired;
mod mistakes;
mod plans;
mod support;
