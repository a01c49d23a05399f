"""A folder of files through one model: `backline batch`.

In data-flow order: `catalogue` finds the files and says what each becomes (`job`), `journal` knows which of them are done,
`processes` or `cluster` (Ray) does the others, and `whole` puts what they made into its place.
"""
