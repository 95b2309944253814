"""The extension in C of the core; all the rest of the project is declared in pyproject.toml."""

from setuptools import Extension, setup

setup(
    ext_modules=[
        Extension(
            "app.core.kernels.compiled",
            sources=["app/core/kernels/compiled.c"],
            depends=[
                "app/core/kernels/big.h",
                "app/core/kernels/class_rows.h",
                "app/core/kernels/digits.h",
                "app/core/kernels/elementary.h",
                "app/core/kernels/element_rows.h",
                "app/core/kernels/exact.h",
                "app/core/kernels/group_sums.h",
                "app/core/kernels/metric_values.h",
                "app/core/kernels/moments.h",
                "app/core/kernels/pair_calls.h",
                "app/core/kernels/pair_sums.h",
                "app/core/kernels/pairs.h",
                "app/core/kernels/sum_calls.h",
                "app/core/kernels/distinct.h",
                "app/core/kernels/divergences.h",
                "app/core/kernels/json_columns.h",
                "app/core/kernels/json_numbers.h",
                "app/core/kernels/powers_of_five.h",
                "app/core/kernels/repeats.h",
                "app/core/kernels/row_calls.h",
                "app/core/kernels/row_quantities.h",
                "app/core/kernels/rows.h",
                "app/core/kernels/tally_calls.h",
                "app/core/kernels/token_rows.h",
                "app/core/kernels/values.h",
                "app/core/kernels/verdicts.h",
            ],
            # No fused or reordered arithmetic, so that every processor has the same bits; the two `-fno` let loops
            # become vectors.
            extra_compile_args=[
                "-std=gnu11",
                "-O3",
                "-ffp-contract=off",
                "-fno-trapping-math",
                "-fno-math-errno",
                "-fvisibility=hidden",
                "-Wall",
                "-Wextra",
                "-Wno-psabi",
            ],
            libraries=["m"],
            py_limited_api=True,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
