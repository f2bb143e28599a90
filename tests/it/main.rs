mod check;
mod conf;
mod desired;
mod lab;
mod mistakes;
mod plans;
mod support;
