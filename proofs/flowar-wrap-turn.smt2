; flowar-wrap: a product p <= 0 of first channels, turned by an angle of cosine >= cos tau
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const c Real)
(declare-const cosine Real)
(declare-const p Real)
(assert (<= p 0.0))
(assert (>= c cosine))
(assert (>= cosine 0.0))
(assert (<= c 1.0))
; the conclusion, negated
(assert (not (and (>= (* c p) p) (<= (* c p) (* cosine p)))))
(check-sat)
