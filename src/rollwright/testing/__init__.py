"""What plugin authors and site owners test with; nothing here imports Prefect.

Contract suites hold for every plugin of a kind; ``testing.sandbox`` brings a real cluster.
"""
