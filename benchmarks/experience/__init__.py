"""Experience: what real training jobs do over learning rate and momentum, computed once and kept as data.

    python benchmarks/experience                 go on computing where it stopped (Ctrl-C loses one batch of runs)
    python benchmarks/experience --status        a table of what is done
    python benchmarks/experience --only JOB ...  some jobs
    python benchmarks/experience --stage STAGE   one stage: sgd-coarse, adamw-coarse, features, sgd-near, adamw-near,
                                                 sgd-fine, adamw-fine, short, seeds (features of the other seeds), rivals
    python benchmarks/experience --features      measure all features anew (after inertia.jax.measure has changed)

Jobs stand in `jobs.py` (frozen: append, never change), their problems in `convex.py`, `tables.py`, `images.py`, `sequences.py` and
others, those put together by a die in `drawn.py`, the schema in `store.py`, the choice of cells in `grids.py`. `reading.py` gives
everything as arrays, the grids of benchmarks/tuner in the same form among them; whoever fits a rule reads through it, without the
sealed jobs.

To add a job: write a builder (pure functions, fixed seeds), append it to `_NEW` in `jobs.py`, put the digest that the test names
into `FROZEN`, run the program. Measured, on one slow core, compiling and features included: a convex job 7 seconds, a small
network with both full grids about 45 (half of it compiling). Estimated from single runs, not measured: several minutes where a run
takes .1 seconds or more, and some 30 seconds a run for the job of a million parameters, which has a handful of cells and comes last.

A job whose cells hold one seed has its coarse grid only: `fine` goes on from there.

Set OMP_NUM_THREADS=1 and XLA_FLAGS="--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1" to stay on one core,
INERTIA_DATA for the airfoil table, and JAX_COMPILATION_CACHE_DIR to spare compiling again.
"""
