"""The facade's names stay what they are, whatever has been imported before."""

import importlib
import types

import inertia


def test_no_module_takes_the_place_of_a_function_of_its_name():
    for home in sorted(set(inertia._HOME.values())):
        importlib.import_module(f"inertia.{home}")
    for name in inertia._HOME:
        assert not isinstance(getattr(inertia, name), types.ModuleType), name
    assert inertia.spectrum([1.0, 4.0]).kappa == 4.0


def test_modules_of_the_same_name_can_still_be_imported_from():
    from inertia.core.spectrum import Spectrum

    assert Spectrum is inertia.Spectrum
