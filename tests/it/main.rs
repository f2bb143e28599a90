mod sim_properties;
mod sim_truth;
mod support;
