; twin of evict-floor: 1 % more is false: the middle
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status sat)
(declare-const answer Real)
(declare-const out Real)
(declare-const p Real)
(assert (>= p 0.0))
; the witness
(assert (= answer (/ 1.0 2.0)))
(assert (= out 0.0))
(assert (= p 1.0))
; the conclusion, negated
(assert (not (>= (ite (>= (ite (>= (+ answer (* (- 1.0) out)) 0.0) (+ answer (* (- 1.0) out)) (- (+ answer (* (- 1.0) out)))) (ite (>= (+ out p (* (- 1.0) answer)) 0.0) (+ out p (* (- 1.0) answer)) (- (+ out p (* (- 1.0) answer))))) (ite (>= (+ answer (* (- 1.0) out)) 0.0) (+ answer (* (- 1.0) out)) (- (+ answer (* (- 1.0) out)))) (ite (>= (+ out p (* (- 1.0) answer)) 0.0) (+ out p (* (- 1.0) answer)) (- (+ out p (* (- 1.0) answer))))) (* (/ 101.0 200.0) p))))
(check-sat)
(get-model)
