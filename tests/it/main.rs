mod conf;
mod lab;
mod support;
