"""Supervision: models that prosecutors write are run over the record, and what they find becomes leads.

models          a model's file and its conditions       model_faults    what is wrong with it, in words
views           the snapshot that models ask            view_catalogue  its columns and what they mean
runs            the supervisor and the query session    leads           the lead of a finding, and its verification
library         published models, compared and taken    correlation     what cases have in common
reports         what recurs, where and for how long
"""
