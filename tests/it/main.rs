mod sim_truth;
mod support;
