"""EMEP: the ozone chemistry of the atmosphere's lowest layer, 66 species over five days and nights."""

from __future__ import annotations

import math
from functools import cache

from ._reference import ReferenceProblem, stiff_problem
from .chemistry import TEST_SET

SPECIES = (
    *("NO", "NO2", "SO2", "CO", "CH4", "C2H6", "NC4H10", "C2H4", "C3H6", "OXYL", "HCHO"),
    *("CH3CHO", "MEK", "O3", "HO2", "HNO3", "H2O2", "H2", "CH3O2", "C2H5OH", "SA", "CH3O2H"),
    *("C2H5O2", "CH3COO", "PAN", "SECC4H", "MEKO2", "R2OOH", "ETRO2", "MGLYOX", "PRRO2", "GLYOX", "OXYO2"),
    *("MAL", "MALO2", "OP", "OH", "OD", "NO3", "N2O5", "ISOPRE", "NITRAT", "ISRO2", "MVK"),
    *("MVKO2", "CH3OH", "RCO3H", "OXYO2H", "BURO2H", "ETRO2H", "PRRO2H", "MEKO2H", "MALO2H", "MACR", "ISNI"),
    *("ISRO2H", "MARO2", "MAPAN", "CH2CCH3", "ISONO3", "ISNIR", "MVKO2H", "CH2CHR", "ISNO3H", "ISNIRH", "MARO2H"),
)

# A reaction's rate is its coefficient times the concentrations on the left; j is by light, numbers are the test set's.
REACTIONS = """
j1: O3 > OP
j2: O3 > OD
j3: NO2 > NO + OP
j4: H2O2 > 2 OH
j5: HNO3 > NO2 + OH
j6: HCHO > CO + 2 HO2
j7: HCHO > CO + H2
j7: GLYOX > CO + HCHO
j7: GLYOX > CO + HCHO
j8: CH3CHO > CO + HO2 + CH3O2
j9: MEK > C2H5O2 + CH3COO
j11: MGLYOX > CO + HO2 + CH3COO
j13: NO3 > NO
j14: NO3 > NO2 + OP
j15: N2O5 > NO2 + NO3
j16: CH3O2H > HCHO + HO2 + OH
j16: R2OOH > CH3CHO + HO2 + OH
j16: RCO3H > CH3O2 + OH
j16: OXYO2H > HO2 + MGLYOX + MAL + OH
j16: BURO2H > 0.35 CH3CHO + 0.65 MEK + 0.65 HO2 + 0.35 C2H5O2 + OH
j16: ETRO2H > 1.56 HCHO + 0.22 CH3CHO + HO2 + OH
j16: PRRO2H > HCHO + CH3CHO + HO2
j16: MEKO2H > CH3CHO + CH3COO + OH
j16: MALO2H > HO2 + MGLYOX + GLYOX + OH
j16: CH2CCH3 > MEK + CH2CCH3
k1: OP > O3
k5: NO + OP > NO2
k7: OD > OP
k8: OD > 2 OH
k11: NO + O3 > NO2
k12: NO2 + O3 > NO3
k13: O3 + OH > HO2
k14: O3 + HO2 > OH
k15: NO + NO3 > 2 NO2
k17: NO + HO2 > NO2 + OH
k19: NO2 + NO3 > NO + NO2
k20: NO2 + NO3 > N2O5
k21: NO2 + OH > HNO3
k26: H2O2 + NO3 > HO2 + HNO3
k29: N2O5 > NO2 + NO3
k30: HO2 + OH >
k31: H2O2 + OH > HO2
k33: H2 + OH > HO2
k35: HNO3 + OH > NO3
k36: HO2 + HO2 > H2O2
k39: SO2 + OH > HO2 + SA
k40: SO2 + CH3O2 > HCHO + HO2 + SA
k43: H2O2 >
k43: CH3O2H >
k44: N2O5 > N2O5 + 2 NITRAT
k45: HNO3 > NITRAT
k45: N2O5 >
k47: H2O2 >
k47: SO2 >
k48: NO2 >
k49: O3 >
k50: PAN >
k50: MAPAN >
k51: SA >
k51: NITRAT >
k52: R2OOH >
k52: RCO3H >
k52: OXYO2H >
k52: BURO2H >
k52: ETRO2H >
k52: PRRO2H >
k52: MEKO2H >
k52: MALO2H >
k52: ISRO2H >
k52: MVKO2H >
k52: CH2CHR >
k52: ISNO3H >
k52: ISNIRH >
k52: MARO2H >
k53: HCHO >
k53: CH3CHO >
k53: MEK >
k59: CH4 + OH > CH3O2
k60: NO + CH3O2 > NO2 + HCHO + HO2
k60: NO + SECC4H > NO2 + 0.35 CH3CHO + 0.65 MEK + 0.65 HO2 + 0.35 C2H5O2
k60: NO + MEKO2 > NO2 + CH3CHO + CH3COO
k60: NO + ETRO2 > NO2 + 2 HCHO + HO2
k60: NO + PRRO2 > NO2 + HCHO + CH3CHO + HO2
k60: NO + OXYO2 > NO2 + HO2 + MGLYOX + MAL
k60: NO + MALO2 > NO2 + HO2 + MGLYOX + GLYOX
k60: NO + ISRO2 > 0.86 NO2 + 0.74 HCHO + 0.78 HO2 + 0.12 ISRO2 + 0.42 MVK + 0.32 MACR + 0.14 ISNI
k60: NO + MVKO2 > 0.95 NO2 + 0.266 HCHO + 0.684 CH3CHO + 0.95 HO2 + 0.684 CH3COO + 0.266 MGLYOX + 0.05 ISNI
k60: NO + CH2CCH3 > NO2 + MEK + HO2
k60: NO + ISONO3 > 1.1 NO2 + 0.15 HCHO + 0.8 HO2 + 0.05 MVK + 0.1 MACR + 0.85 ISNI
k60: NO + ISNIR > 1.9 NO2 + 0.95 CH3CHO + 0.95 MEK + 0.05 HO2
k61: CH3O2 + CH3O2 > 2 HCHO + 2 HO2
k62: CH3O2 + CH3O2 > HCHO + CH3OH
k63: OH + CH3OH > HCHO + HO2
k64: C2H5OH + OH > CH3CHO + HO2
k65: HO2 + CH3O2 > CH3O2H
k66: HCHO + OH > CO + HO2
k67: CH3O2H + OH > HCHO + OH
k68: CH3O2H + OH > CH3O2
k68: R2OOH + OH > C2H5O2
k68: OH + RCO3H > CH3COO
k68: OH + BURO2H > SECC4H
k68: OH + ETRO2H > ETRO2
k68: OH + PRRO2H > PRRO2
k69: HCHO + NO3 > CO + HO2 + HNO3
k70: CO + OH > HO2
k71: C2H6 + OH > C2H5O2
k72: NO + C2H5O2 > NO2 + CH3CHO + HO2
k74: HO2 + C2H5O2 > R2OOH
k75: CH3CHO + OH > CH3COO
k76: R2OOH + OH > CH3CHO + OH
k76: OH + BURO2H > MEK + OH
k76: OH + ETRO2H > CH3CHO + OH
k76: OH + PRRO2H > MEK + OH
k77: NO2 + CH3COO > PAN
k77: NO2 + MARO2 > MAPAN
k78: PAN > NO2 + CH3COO
k78: MAPAN > NO2 + MARO2
k79: NO + CH3COO > NO2 + CH3O2
k79: NO + MARO2 > NO2 + CH2CCH3
k80: CH3O2 + CH3COO > HCHO + 0.5 HO2 + 0.5 CH3O2
k81: NC4H10 + OH > SECC4H
k85: HO2 + SECC4H > BURO2H
k85: HO2 + MEKO2 > MEKO2H
k85: HO2 + ETRO2 > ETRO2H
k85: HO2 + PRRO2 > PRRO2H
k85: HO2 + OXYO2 > OXYO2H
k85: HO2 + MALO2 > MALO2H
k85: HO2 + ISRO2 > ISRO2H
k85: HO2 + MVKO2 > MVKO2H
k85: HO2 + MARO2 > MARO2H
k85: HO2 + CH2CCH3 > CH2CHR
k85: HO2 + ISONO3 > ISNO3H
k85: HO2 + ISNIR > ISNIRH
k86: MEK + OH > MEKO2
k87: OH + MEKO2H > MEKO2
k88: HO2 + CH3COO > RCO3H
k89: HO2 + CH3COO > O3
k94: CH3COO + CH3COO > 2 CH3O2
k109: C2H4 + OH > ETRO2
k112: C2H4 + O3 > 0.44 CO + HCHO + 0.12 HO2 + 0.13 H2
k123: C3H6 + O3 > 0.4 CO + 0.07 CH4 + 0.5 HCHO + 0.5 CH3CHO + 0.28 HO2 + 0.07 H2 + 0.31 CH3O2 + 0.15 OH
k125: C3H6 + OH > PRRO2
k146: OH + CH2CHR > CH2CCH3
k147: OH + ISNO3H > ISONO3
k148: OH + MVKO2H > MVKO2
k149: OH + ISNIRH > ISNIR
k149: OH + MARO2H > MARO2
k150: O3 + ISOPRE > 0.05 CO + 0.07 C3H6 + 0.8 HCHO + 0.06 HO2 + 0.3 OP + 0.55 OH + 0.26 MVK + 0.67 MACR
k151: OH + ISOPRE > ISRO2
k153: OH + MVK > MVKO2
k156: OH + ISRO2H > OH + ISRO2
k157: O3 + ISRO2H > 0.7 HCHO
k158: OH + MACR > 0.5 MARO2
k160: O3 + MVK > 0.05 CO + 0.8 HCHO + 0.04 CH3CHO + 0.06 HO2 + 0.82 MGLYOX + 0.2 OP + 0.08 OH
k161: OH + ISNI > ISNIR
k163: NO3 + ISOPRE > ISONO3
k219: MAL + OH > MALO2
k221: GLYOX + OH > 2 CO + HO2
k222: MGLYOX + OH > CO + CH3COO
k223: OH + MALO2H > MALO2
k234: OXYL + OH > OXYO2
k235: OH + OXYO2H > OXYO2
"""

# Molecules that come out of the ground in a second and a square centimetre, mixed up to a height of 1200 metres.
MIXING_HEIGHT, EMITTED = 1.2e5, 2.5e11
# Hydrocarbons share one emission by mass: their fraction and molecular weight.
HYDROCARBONS = {
    "C2H6": (0.07689, 30.0),
    "NC4H10": (0.41444, 58.0),
    "C2H4": (0.03642, 28.0),
    "C3H6": (0.03827, 42.0),
    "OXYL": (0.24537, 106.0),
    "C2H5OH": (0.13957, 46.0),
}

# Light: j = A exp(-B / cos(angle of the sun)).
LIGHT = {
    "j1": (1.23e-3, 0.60),
    "j2": (2.00e-4, 1.40),
    "j3": (1.45e-2, 0.40),
    "j4": (2.20e-5, 0.75),
    "j5": (3.00e-6, 1.25),
    "j6": (5.40e-5, 0.79),
    "j7": (6.65e-5, 0.60),
    "j8": (1.35e-5, 0.94),
    "j9": (2.43e-5, 0.88),
    "j11": (2.16e-4, 0.79),
    "j13": (3.53e-2, 0.081),
    "j14": (8.94e-2, 0.059),
    "j15": (3.32e-5, 0.57),
    "j16": (2.27e-5, 0.62),
}

# Arrhenius: k = A exp(B / T).
TEMPERATURE, AIR, OXYGEN = 298.0, 2.55e19, 5.2e18
ARRHENIUS = {
    "k1": (5.7e-34 * (TEMPERATURE / 300.0) ** -2.8 * AIR * OXYGEN, 0.0),
    "k5": (9.6e-32 * (TEMPERATURE / 300.0) ** -1.6 * AIR, 0.0),
    "k7": (2.0e-11 * AIR, 100.0),
    "k11": (1.8e-12, -1370.0),
    "k12": (1.2e-13, -2450.0),
    "k13": (1.9e-12, -1000.0),
    "k14": (1.4e-14, -600.0),
    "k15": (1.8e-11, 110.0),
    "k17": (3.7e-12, 240.0),
    "k19": (7.2e-14, -1414.0),
    "k20": (1.4e-12, 0.0),
    "k21": (1.4e-11, 0.0),
    "k26": (4.1e-16, 0.0),
    "k29": (7.1e14, -11080.0),
    "k30": (4.8e-11, 250.0),
    "k31": (2.9e-12, -160.0),
    "k33": (7.7e-12, -2100.0),
    "k35": (1.0e-14, 785.0),
    "k39": (1.35e-12, 0.0),
    "k40": (4.0e-17, 0.0),
    "k43": (1.0e-4, 0.0),
    "k44": (1.0e-4, 0.0),
    "k45": (1.0e-4, 0.0),
    "k59": (3.9e-12, -1885.0),
    "k60": (4.2e-12, 180.0),
    "k61": (5.5e-14, 365.0),
    "k62": (5.5e-14, 365.0),
    "k63": (3.3e-12, -380.0),
    "k64": (3.2e-12, 0.0),
    "k65": (3.8e-13, 780.0),
    "k66": (9.6e-12, 0.0),
    "k67": (1.0e-12, 190.0),
    "k68": (1.9e-12, 190.0),
    "k69": (5.8e-16, 0.0),
    "k70": (2.4e-13, 0.0),
    "k71": (7.8e-12, -1020.0),
    "k72": (8.9e-12, 0.0),
    "k74": (6.5e-13, 650.0),
    "k75": (5.6e-12, 310.0),
    "k76": (5.8e-12, 190.0),
    "k77": (1.0e-11, 0.0),
    "k78": (1.34e16, -13330.0),
    "k79": (2.0e-11, 0.0),
    "k80": (1.1e-11, 0.0),
    "k81": (1.64e-11, -559.0),
    "k85": (1.0e-11, 0.0),
    "k86": (1.15e-12, 0.0),
    "k87": (4.8e-12, 0.0),
    "k88": (1.3e-13, 1040.0),
    "k89": (3.0e-13, 1040.0),
    "k94": (2.8e-12, 530.0),
    "k109": (1.66e-12, 474.0),
    "k112": (1.2e-14, -2630.0),
    "k123": (6.5e-15, -1880.0),
    "k125": (2.86e-11, 0.0),
    "k146": (3.2e-11, 0.0),
    "k147": (2.0e-11, 0.0),
    "k148": (2.2e-11, 0.0),
    "k149": (3.7e-11, 0.0),
    "k150": (12.3e-15, -2013.0),
    "k151": (2.54e-11, 410.0),
    "k153": (4.13e-12, 452.0),
    "k156": (2.0e-11, 0.0),
    "k157": (8.0e-18, 0.0),
    "k158": (1.86e-11, 175.0),
    "k160": (4.32e-15, -2016.0),
    "k161": (3.35e-11, 0.0),
    "k163": (7.8e-13, 0.0),
    "k219": (2.0e-11, 0.0),
    "k221": (1.1e-11, 0.0),
    "k222": (1.7e-11, 0.0),
    "k223": (2.4e-11, 0.0),
    "k234": (1.37e-11, 0.0),
    "k235": (1.7e-11, 0.0),
}

# What falls to the ground: centimetres in a second, by day; a quarter of it by night.
DEPOSITION = {"k47": 0.5, "k48": 0.2, "k49": 0.5, "k50": 0.2, "k51": 0.1, "k52": 0.5, "k53": 0.3}


@cache
def network() -> list[tuple[str, tuple[int, ...], dict[int, float]]]:
    """Read the reactions: coefficient, indices of what reacts, and by how much every species changes."""

    def terms(side):
        for term in filter(None, map(str.strip, side.split("+"))):
            *factor, name = term.split()
            yield SPECIES.index(name), float(factor[0]) if factor else 1.0

    found = []
    for line in REACTIONS.strip().splitlines():
        coefficient, reaction = line.split(": ")
        left, right = reaction.split(">")
        reacting, change = [], {}
        for species, count in terms(left):
            reacting.append(species)
            change[species] = change.get(species, 0.0) - count
        for species, count in terms(right):
            change[species] = change.get(species, 0.0) + count
        found.append((coefficient, tuple(reacting), {s: round(c, 9) for s, c in change.items() if abs(c) > 1e-9}))
    return found


@cache
def emissions() -> dict[int, float]:
    """Compute what is emitted of each species, in molecules a second and a cubic centimetre."""
    mean = 1.0 / sum(fraction / weight for fraction, weight in HYDROCARBONS.values())
    shares = {name: fraction / weight * mean for name, (fraction, weight) in HYDROCARBONS.items()}
    shares |= {"NO": 1.0, "SO2": 1.0, "SA": 0.05, "CO": 10.0, "ISOPRE": 0.5}
    return {SPECIES.index(name): share * EMITTED / MIXING_HEIGHT for name, share in shares.items()}


def coefficients(xp, t):
    """Compute the coefficients of all reactions at a time in seconds from midnight."""
    hour = t / 3600.0
    hour = hour - 24.0 * xp.floor(hour / 24.0)
    day = (hour >= 4.0) & (hour < 20.0)
    latitude, declination = math.radians(50.0), math.radians(23.5)
    height = -xp.cos(hour * (math.pi / 12.0)) * (math.cos(latitude) * math.cos(declination))
    height = height + math.sin(latitude) * math.sin(declination)
    secant = 1.0 / xp.where(day, height, 0.0 * height + 1.0)
    dark = 0.0 * height + 1e-40
    found = {name: xp.where(day, a * xp.exp(-b * secant), dark) for name, (a, b) in LIGHT.items()}
    found |= {name: a * math.exp(b / TEMPERATURE) for name, (a, b) in ARRHENIUS.items()}
    falling = xp.where(day, 0.0 * height + 1.0, 0.0 * height + 0.25) / MIXING_HEIGHT
    found |= {name: speed * falling for name, speed in DEPOSITION.items()}

    humidity = 23.0 * xp.sin(2.43 - 7.93e-5 * 3600.0 * hour) + 66.5
    steam = (597.3 - 0.57 * (TEMPERATURE - 273.16)) * 18.0 / 1.986 * (1.0 / TEMPERATURE - 1.0 / 273.16)
    water = 6.1078 * math.exp(-steam) * 10.0 / (1.38e-16 * TEMPERATURE) * humidity
    found["k8"] = 2.2e-10 * water
    dry = 2.3e-13 * math.exp(600.0 / TEMPERATURE) + AIR * 1.7e-33 * math.exp(1000.0 / TEMPERATURE)
    found["k36"] = dry * (1.0 + 1.4e-21 * math.exp(2200.0 / TEMPERATURE) * water)
    return found


@stiff_problem
def emep(xp):
    """EMEP's ozone chemistry: 66 species, emissions, deposition, light by day only."""

    def f(t, y, p):
        at = coefficients(xp, t)
        zero = 0.0 * y[0]
        rate = [emissions().get(i, 0.0) + zero for i in range(len(SPECIES))]
        for coefficient, reacting, change in network():
            speed = at[coefficient]
            for i in reacting:
                speed = speed * y[i]
            for i, count in change.items():
                rate[i] = rate[i] + (speed if count == 1.0 else -speed if count == -1.0 else count * speed)
        return rate

    background = {"NO": 1e9, "NO2": 5e9, "SO2": 5e9, "CO": 3.8e12, "CH4": 3.5e13, "O3": 5e11, "OD": 1e-3}
    background |= dict.fromkeys(SPECIES[5:13], 1e7)
    hours = [20.0, 28.0, 44.0, 52.0, 68.0, 76.0, 92.0, 100.0]  # sunset and sunrise
    return ReferenceProblem(
        f,
        [background.get(name, 1e2) for name in SPECIES],
        (14400.0, 417600.0),
        "D. Simpson, Photochemical model calculations over Europe for two extended summer periods: 1985 and 1989, "
        "Atmospheric Environment 27A (1993) 921-943, doi:10.1016/0960-1686(93)90009-O; " + TEST_SET,
        discontinuities=tuple(3600.0 * hour for hour in hours),
        scale=1e7,
    )
