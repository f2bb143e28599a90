mod desired;
mod mistakes;
mod support;
