"""The other side, as client. In reading order:

archive              C-ECHO, C-STORE, C-FIND; statuses, what its answers mean; identity, whose study it is
sender               C-STORE
requestor            associations that we ask for; matched_answers, who asked gets the answer; bounded_connection, no
                     peer holds a thread for ever; bounded_message, nor fills the memory
query                what it holds of a patient, as found says it; worklist, of orders; retrieve, C-GET of a study
commitment           N-ACTION and the report that answers it (commitment_report)
dicomweb_archive     the same over DICOMweb (stow_answer, bounded_answer); folder_outlet, a folder instead
"""
