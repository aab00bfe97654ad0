"""Cases: lists, the page of a case, its events and pictures, and every act on it."""
