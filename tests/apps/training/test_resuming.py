"""The rows of `metrics.csv` that a resumed run keeps."""

from visus.apps.training.resuming import drop_later_rows

STATE = {"callbacks": {"LastCheckpoint": {"validations": 1}}, "global_step": 6}


def test_rows_after_the_checkpoint_and_incomplete_ones_are_dropped(tmp_path):
    path = tmp_path / "metrics.csv"
    kept = "epoch,step,train/loss,val/loss\n0,4,1.0,\n0,5,,0.9\n"
    path.write_text(kept + "1,8,0.8,\n1,9,,0.7\n1")
    drop_later_rows(tmp_path, STATE)
    assert path.read_bytes().decode().replace("\r\n", "\n") == kept
