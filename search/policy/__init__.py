"""Who is proposed, stopped or trained again: pure logic over Optuna, without a cluster."""
