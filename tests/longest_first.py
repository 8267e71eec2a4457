"""Files of tests that take long are begun first: one that begins last keeps everybody waiting for it alone."""

from pathlib import PurePath

#: About how many seconds a file takes on two busy cores, from so many on that it matters. Others come after these.
SECONDS = {
    "tests/faults/test_bad_studies.py": 30,
    "tests/faults/test_character_sets.py": 25,
    "tests/faults/test_data.py": 30,
    "tests/faults/test_fuzz.py": 35,
    "tests/faults/test_machine_clock.py": 20,
    "tests/faults/test_machine_disk.py": 15,
    "tests/faults/test_machine_ledger.py": 25,
    "tests/faults/test_machine_power.py": 45,
    "tests/faults/test_machine_stop.py": 15,
    "tests/faults/test_main_job_faults.py": 90,
    "tests/faults/test_no_patient_data.py": 30,
    "tests/faults/test_no_patient_data_in_alerts.py": 25,
    "tests/faults/test_receiving_processes.py": 60,
    "tests/faults/test_wire.py": 40,
    "tests/faults/test_wire_callers.py": 20,
    "tests/faults/test_wire_endurance.py": 30,
    "tests/faults/test_wire_illegal.py": 20,
    "tests/faults/test_wire_tls.py": 40,
    "tests/integration/test_acceptance.py": 30,
    "tests/integration/test_alerts.py": 35,
    "tests/integration/test_archive_client.py": 15,
    "tests/integration/test_brain_extraction.py": 35,
    "tests/integration/test_connect_a_pacs.py": 20,
    "tests/integration/test_counted_parts.py": 15,
    "tests/integration/test_demo.py": 80,
    "tests/integration/test_hostile_identities.py": 30,
    "tests/integration/test_main_job.py": 40,
    "tests/integration/test_odd_series.py": 15,
    "tests/integration/test_picture_objects.py": 25,
    "tests/integration/test_priors.py": 40,
    "tests/integration/test_pull.py": 40,
    "tests/integration/test_real_weights.py": 150,
    "tests/integration/test_source_matrix.py": 30,
    "tests/integration/test_tls.py": 25,
    "tests/integration/test_up.py": 60,
    "tests/integration/test_writing_a_model.py": 20,
    "tests/unit/models/importing/test_import_monai.py": 20,
    "tests/unit/models/importing/test_import_torchscript.py": 20,
    "tests/unit/ops/commands/test_validation.py": 20,
    "tests/unit/worker/hosting/test_model_host.py": 20,
    "tests/unit/worker/priors/test_priors.py": 25,
    "tests/viewers/test_ohif.py": 60,
    "tests/viewers/test_page.py": 40,
}


def rank(node_id: str) -> tuple[int, str]:
    """Return where a test's file stands: by its time, the longest first; those of one file keep together."""
    file = PurePath(node_id.partition("::")[0]).as_posix()
    return -SECONDS.get(file, 0), file
