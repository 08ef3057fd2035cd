"""A live recogniser: push samples in, get decisions out."""

from mumu_ros.recognition.decision import Decision, NoDecision
from mumu_ros.recognition.recognizer import Recognizer, RecognizerSettings

__all__ = ["Decision", "NoDecision", "Recognizer", "RecognizerSettings"]
